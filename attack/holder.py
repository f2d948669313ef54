"""A process that holds the write lock of a store: a disk on which every commit takes long.

usage: python -m attack.holder STORE HOLD_S PAUSE_S TIMES
"""

import sqlite3
import sys
import time


def main(store: str, hold_s: float, pause_s: float, times: int) -> None:
    """Hold and let go in turn; a line is printed each time the lock is held."""
    connection = sqlite3.connect(store, timeout=60, isolation_level=None)
    for _ in range(times):
        connection.execute("BEGIN IMMEDIATE")
        print("held", flush=True)
        time.sleep(hold_s)
        connection.execute("ROLLBACK")
        time.sleep(pause_s)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
