"""Resources: declarations whose generic verbs, filters, ARNs and answers come from the service model."""
