"""The words of an experiment's lifecycle: its states, and the instructions that its executor knows."""

CREATING, CREATED, STARTING, RUNNING, UPDATING = "Creating", "Created", "Starting", "Running", "Updating"
STOPPING, COMPLETED, CANCELLED = "Stopping", "Completed", "Cancelled"
ALL = (CREATING, CREATED, STARTING, RUNNING, UPDATING, STOPPING, COMPLETED, CANCELLED)
OVER = (COMPLETED, CANCELLED)
ACTIVE = (STARTING, RUNNING, UPDATING, STOPPING)
"""The endpoint is the experiment's."""

PREPARE, BEGIN, DEPLOY, WATCH, SCALE, FINISH, RESTORE = "Prepare", "Begin", "Deploy", "Watch", "Scale", "Finish", "Restore"
