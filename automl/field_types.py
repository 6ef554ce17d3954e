"""Types of config fields: numbers within a range."""

import math
from typing import Annotated

from annotated_types import Interval

Count = Annotated[int, Interval(ge=1)]
Whole = Annotated[int, Interval(ge=0)]
Positive = Annotated[float, Interval(gt=0, lt=math.inf)]
NotNegative = Annotated[float, Interval(ge=0, lt=math.inf)]
From0To1 = Annotated[float, Interval(ge=0, le=1)]
Above0To1 = Annotated[float, Interval(gt=0, le=1)]
From0Below1 = Annotated[float, Interval(ge=0, lt=1)]
Between0And1 = Annotated[float, Interval(gt=0, lt=1)]
