import os
bad(0)
