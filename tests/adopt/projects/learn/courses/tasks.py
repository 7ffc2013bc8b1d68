from datetime import timedelta

from celery import chord, group, shared_task
from celery_once import QueueOnce
from django.db import transaction
from django.utils import timezone

from config.celery_app import app


@app.task(base=QueueOnce, once={"keys": ["course_id"]}, acks_late=True)
def index_course(course_id):
    pass


@shared_task(bind=True, autoretry_for=(OSError,), retry_backoff=True, rate_limit="10/m")
def encode_video(self, video_id):
    pass


@shared_task(ignore_result=True)
def remind(user_id):
    pass


@shared_task
def report(parts):
    return len(parts)


def publish(course):
    transaction.on_commit(lambda: index_course.delay(course.id))
    chord(group(encode_video.s(video) for video in course.videos))(report.s())
    remind.apply_async((course.teacher,), eta=timezone.now() + timedelta(days=30))


def withdraw(job):
    app.control.revoke(job, terminate=True)
