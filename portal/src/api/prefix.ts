/**
 * What the address of the emulator has before `/portal/`: the path below which a reverse proxy mounts it, most often
 * nothing. The proxy removes it from requests, so that only pages know it, by their own address.
 */
export function prefixOf(pathname: string): string {
  const end = pathname.indexOf("/portal/");
  return end < 0 ? "" : pathname.slice(0, end);
}

export const PREFIX = prefixOf(window.location.pathname);
