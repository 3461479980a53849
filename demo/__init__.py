from . import books
