"""Files to take away lie in one folder, which is gone when the app has ended."""

import os
import subprocess
import sys
from pathlib import Path

CODE = """
from ui.downloads import new_folder

one, other = new_folder(), new_folder()
for folder in (one, other):
    (folder / "a.txt").write_text("x")
print(one.parent, other.parent)
"""


def test_files_to_take_away_lie_in_one_folder_which_ends_with_the_app(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    one, other = map(Path, ran.stdout.split())
    assert (one, one.parent) == (other, tmp_path)
    assert not one.exists()
