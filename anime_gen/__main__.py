"""`python -m anime_gen` is the command `anime-gen`; Lightning starts further ranks this way."""

import sys

from anime_gen.cli import main

sys.exit(main())
