// Parts of pages that ask for themselves: says when nobody answers, and takes it back.
const stale = document.querySelector("#stale");
const asked = (event) => event.detail.requestConfig?.verb === "get";

document.addEventListener("htmx:sendError", (event) => { if (asked(event)) stale.hidden = false; });
document.addEventListener("htmx:timeout", (event) => { if (asked(event)) stale.hidden = false; });
document.addEventListener("htmx:afterRequest", (event) => {
  const { status } = event.detail.xhr;
  if (asked(event) && status) stale.hidden = status < 500;
});
