"""Tagged rows from files, the Hub or reasoning-gym, checked and kept on disk: `load_data(spec.data)`.

paths       a file, a folder or a list of these -> the files to read
files       which reader reads which format: jsonfiles, csvfiles, tables (Parquet)
hub, gym    rows that come from elsewhere
batches     what all of these give: columns of values with their places, and the problems met
mapping     which column of a file becomes task, prompt, or what rewards read
tagging     tags by file, rule and hand where the column is not enough; new names, tasks to leave out
rows        what a task tag and a prompt must be
columns     the kind of each column, and values as Arrow
store       the Arrow file in the cache
heldout     which rows training never sees
tasks       counts per task, and which rows these are
raw         rows and columns as the files hold them, and the rows without a tag
statistics  what each task's rows are like, and what about them deserves a second look
browsing    a page of rows, by task and by text
"""

from core.data.heldout import Data
from core.data.load import Reading, ReadingCancelled, load_data
from core.data.tasks import column, digest, first_rows, some_rows, task_counts

__all__ = [
    "Data",
    "Reading",
    "ReadingCancelled",
    "column",
    "digest",
    "first_rows",
    "load_data",
    "some_rows",
    "task_counts",
]
