import os
bad(0)


def run(items):
    total = bad(1)
    for item in items:
        total += bad(item)  # apprentice: allow python/bad-call -- measured
    return total + bad(
        2
    )
