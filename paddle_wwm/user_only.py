"""Folders that no other user can change, for files that run as code."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def make_user_only(folder: Path) -> bool:
    """Create a folder; return True if only this user can change its files.

    False: it belongs to another user, other users can write to it or replace it or one of its parents, or it cannot be
    written at all. On systems without user ids, only the last is checked.

    Raises:
        OSError: the folder cannot be created, or no file can be created in it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()
    if not hasattr(os, "geteuid"):
        return True
    folder = folder.resolve()
    status = folder.stat()
    is_private = status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return is_private and all(map(_is_safe_parent, folder.parents))


def _is_safe_parent(folder: Path) -> bool:
    """Return True if other users cannot replace what is in a folder."""
    status = folder.stat()
    # in a container without root's id, the files of the system belong to the owner of "/"
    if status.st_uid not in (os.geteuid(), 0, os.stat("/").st_uid):
        return False
    if status.st_mode & stat.S_ISVTX:  # like /tmp: only the owner of a file can replace it
        return True
    # with umask 002, the folders of a user can be written by the user's own group
    own_group = status.st_uid == os.geteuid() and status.st_gid == os.getegid()
    return not status.st_mode & (stat.S_IWOTH if own_group else stat.S_IWOTH | stat.S_IWGRP)
