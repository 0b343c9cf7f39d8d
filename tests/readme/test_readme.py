# SPDX-License-Identifier: BSL-1.0
"""The commands of the README's first screen, run as they stand there."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["KVDB_SOURCE"])
TOOL = pathlib.Path(os.environ["KVDB"])


class FirstScreen(unittest.TestCase):
    def commands(self):
        text = (SOURCE / "README.md").read_text()
        return re.search(r"```sh\n(.*?)```", text, re.S).group(1).splitlines()

    def test_three_commands(self):
        commands = self.commands()
        self.assertEqual(len(commands), 3)
        path = f"{TOOL.parent}:{os.environ['PATH']}"
        with tempfile.TemporaryDirectory() as folder:
            answers = [
                subprocess.run(["sh", "-c", command], cwd=folder, env={**os.environ, "PATH": path},
                               capture_output=True, text=True, check=True).stdout
                for command in commands
            ]
        self.assertEqual(answers[0], "")
        self.assertEqual(answers[1], '{"name": "Ada"}\n')
        self.assertIn("user:42", answers[2])

    def test_linked_files_exist(self):
        text = (SOURCE / "README.md").read_text()
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            self.assertTrue((SOURCE / link).exists(), link)


if __name__ == "__main__":
    unittest.main()
