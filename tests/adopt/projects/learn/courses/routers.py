class CourseRouter:
    def route_for_task(self, task, args=None, kwargs=None):
        return {"queue": "video"} if "video" in task else None
