from . import collections_aging_wizard
