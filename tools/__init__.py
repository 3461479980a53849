from . import aging
from . import tax_split
