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

/** Why the role of the session's key does not permit an operation of the Training API; null if it does. */
export function useRefusal(operation: string): string | null {
  const session = useSession().data;
  return session?.refused.includes(operation) ? `The role ${session.role} does not permit this.` : null;
}
