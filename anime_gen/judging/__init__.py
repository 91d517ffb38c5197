"""Where the ruler is made: trains and examines the judge that `metrics` scores with, and looks at the painter."""
