bad(1)
