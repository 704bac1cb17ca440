import greeting


def run():
    print(greeting.greet("you"))
