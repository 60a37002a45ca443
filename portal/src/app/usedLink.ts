/**
 * Whether the page was opened by a link of `serve --open` that had been used already or was too old: the server then
 * adds this fragment. Read before the first navigation, which removes it.
 */
export const CAME_BY_USED_LINK = window.location.hash === "#used-link";
