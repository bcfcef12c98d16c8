"""SDK v3: a domain, a profile, a space and an app, each waited for as its users do."""

import base64
import json

from sagemaker.core.helper.session_helper import get_execution_role
from sagemaker.core.resources import App, Domain, Space, StudioLifecycleConfig, UserProfile
from sagemaker.core.shapes import OwnershipSettings, SpaceSettings, SpaceSharingSettings, UserSettings

role = get_execution_role()
said = {}
domain = Domain.create(domain_name="by-v3", auth_mode="IAM", default_user_settings=UserSettings(execution_role=role))
domain.wait_for_status("InService")
config = StudioLifecycleConfig.create(
    studio_lifecycle_config_name="by-v3", studio_lifecycle_config_content=base64.b64encode(b"echo ready").decode(),
    studio_lifecycle_config_app_type="JupyterLab",
)
said["config"] = config.studio_lifecycle_config_app_type
profile = UserProfile.create(domain_id=domain.domain_id, user_profile_name="ada")
profile.wait_for_status("InService")
space = Space.create(
    domain_id=domain.domain_id, space_name="notes", space_settings=SpaceSettings(app_type="JupyterLab"),
    ownership_settings=OwnershipSettings(owner_user_profile_name="ada"), space_sharing_settings=SpaceSharingSettings(sharing_type="Private"),
)
space.wait_for_status("InService")
said["spaces"] = [s.space_name for s in Space.get_all(domain_id_equals=domain.domain_id)]
app = App.create(domain_id=domain.domain_id, user_profile_name="ada", app_type="TensorBoard", app_name="board")
try:
    app.wait_for_status("InService")
except Exception as error:
    said["app"] = str(error)
app.delete()
app.wait_for_delete()
said["apps"] = [a.status for a in App.get_all(domain_id_equals=domain.domain_id)]
for one in (space, profile, domain):
    one.delete()
    one.wait_for_delete()
config.delete()
said["domains"] = [d.domain_name for d in Domain.get_all()]
print("\nRESULT " + json.dumps(said))
