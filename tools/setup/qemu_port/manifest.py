# What a board's firmware has frozen in, as far as it can run here.
include("$(MPY_DIR)/extmod/asyncio")
freeze(".", "_boot.py")
