/**
 * The path of the portal for an address of `/_emulator/insight`, which leads to `/portal/`: its fragment
 * `#project=…&iteration=…` survives the redirect. Null for every other address.
 */
export function formerAddress(pathname: string, fragment: string): string | null {
  if (!pathname.endsWith("/portal/")) return null;
  const ids = new URLSearchParams(fragment.replace(/^#/, ""));
  const [project, iteration] = [ids.get("project"), ids.get("iteration")];
  const isId = (id: string | null): id is string => /^[0-9a-f-]{36}$/i.test(id ?? "");
  return isId(project) && isId(iteration) ? `${pathname}projects/${project}/results/${iteration}` : null;
}
