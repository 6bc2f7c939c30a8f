"""Arrow columns: normalised, validated by the rules of the record, and converted to numpy arrays without a copy.

The private helpers of the other packages, which import the modules directly. A record validates one value by its
:class:`~kokin.model.FieldType`; a batch validates a whole column by the same object. An invalid value is reported as
the record reports it, and replaced by a valid placeholder, so that vectorised code can continue.

>>> import numpy as np, pyarrow as pa
>>> from kokin._arrow.column_checks import IssueBuilder, digits_column
>>> from kokin.model import Digits
>>> issues = IssueBuilder(first_record=1, has_error=np.zeros(2, np.bool_))
>>> digits = digits_column(pa.array(["12345", "1234X"]), Digits(5), "payee_code", issues, None)
>>> digits.shape, issues.has_error.tolist()
((2, 5), [False, True])
>>> issues.table()["code"].to_pylist()
['NOT_DIGITS']
"""

__all__: list[str] = []
