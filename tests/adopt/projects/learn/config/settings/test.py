from .base import *

CELERY_TASK_ALWAYS_EAGER = True
