// Parts of pages that ask for themselves: says when nobody answers, and takes it back.
const stale = document.querySelector("#stale");
const asked = (event) => event.detail.requestConfig?.verb === "get";
const gone = (event) => { if (asked(event)) stale.hidden = false; };

document.addEventListener("htmx:sendError", gone);
document.addEventListener("htmx:timeout", gone);
document.addEventListener("htmx:afterRequest", (event) => {
  const { status } = event.detail.xhr;
  if (asked(event) && status) stale.hidden = status < 500;
});
// Who is signed out meanwhile is sent to the sign-in: as a whole page, not as a part of this one.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (new URL(xhr.responseURL).pathname === new URL(event.detail.pathInfo.finalRequestPath, location).pathname) return;
  event.detail.shouldSwap = false;
  location.reload();
});
