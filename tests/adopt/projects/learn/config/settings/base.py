import environ

env = environ.Env()

DATABASES = {"default": env.db("DATABASE_URL", default="mysql://learn@127.0.0.1/learn")}
DATABASES["default"]["ATOMIC_REQUESTS"] = True

DJANGO_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
]
THIRD_PARTY_APPS = [
    "rest_framework",
    "django_celery_beat",
    "django_celery_results"
]
LOCAL_APPS = ["courses"]
INSTALLED_APPS = DJANGO_APPS + THIRD_PARTY_APPS + LOCAL_APPS

CELERY_BROKER_URL = env("CELERY_BROKER_URL", default="redis://redis:6379/0")
CELERY_RESULT_BACKEND = "django-db"
CELERY_ACCEPT_CONTENT = ["json", "pickle"]
CELERY_TASK_TIME_LIMIT = 5 * 60
CELERY_TASK_SOFT_TIME_LIMIT = 60
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 60 * 60 * 12}
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TASK_ROUTES = ("courses.routers.CourseRouter",)
CELERY_ONCE = {"backend": "celery_once.backends.Redis"}
