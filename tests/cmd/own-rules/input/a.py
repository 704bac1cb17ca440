bad(1)
print("x")
import imp
