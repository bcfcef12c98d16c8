"""The words of an endpoint's lifecycle: its states, and the instructions that its executors know."""

CREATING, IN_SERVICE, UPDATING, ROLLING_BACK = "Creating", "InService", "Updating", "RollingBack"
ROLLBACK_FAILED, FAILED, DELETING = "UpdateRollbackFailed", "Failed", "Deleting"
ALL = (CREATING, IN_SERVICE, UPDATING, ROLLING_BACK, ROLLBACK_FAILED, FAILED, DELETING)
SERVING = (IN_SERVICE, UPDATING, ROLLING_BACK, ROLLBACK_FAILED)
CHANGING = (CREATING, UPDATING)

DEPLOY, RESTORE, RETIRE, FORGET = "Deploy", "Restore", "Retire", "Forget"
BAKE, WATCH, EXPIRE, LEAVE, SETTLE = "Bake", "Watch", "Expire", "Leave", "Settle"
