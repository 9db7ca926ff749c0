"""Finds what is damaged in a workspace, and repairs it without destroying anything.

A check yields a WorkspaceProblem for each file that is not as Servery wrote it. The
programs add checks of the files that only they know: `desktop.repair` joins them all.
"""
