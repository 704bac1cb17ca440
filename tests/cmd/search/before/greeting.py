def greet(name):
    """Says hello to somebody."""
    return f"hello {name}"
