"""Why a problem has no plan, and the smallest changes that would give it one."""
