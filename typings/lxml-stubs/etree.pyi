# A compiled module, of which no type checker sees anything.
from typing import Any

def __getattr__(name: str) -> Any: ...
