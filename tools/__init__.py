from . import aging
from . import cash_discount
from . import tax_split
