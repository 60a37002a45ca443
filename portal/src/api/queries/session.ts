import { useQuery } from "@tanstack/react-query";
import { cacheKeys } from "../keys";
import { currentSession } from "../session";

/** The session as it was when the page was loaded, or when it last changed here. */
export function useSession() {
  return useQuery({
    queryKey: cacheKeys.session,
    queryFn: ({ signal }) => currentSession(signal),
    staleTime: Infinity,
    retry: false,
  });
}
