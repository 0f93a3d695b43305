"""The page: ask runs a question, look at evaluations, train, and check data, in a browser.

What is drawn (the parts `ask`, `compare`, `train` and `data`, their pieces `editor`, `explorer`,
`compare_study` and `findings`, and `drawing`, `charts`) stands apart from what is decided, which
knows no streamlit: the other modules.

Trap: `streamlit run` puts this folder before all others on the path of modules. So no module here
has the name of one that anybody imports.
"""

from pathlib import Path

APP = Path(__file__).with_name("app.py")
