import { notifications } from "@mantine/notifications";
import { useQueryClient, type QueryKey } from "@tanstack/react-query";
import { useState } from "react";
import { inWords } from "../../api/errors";
import { announce } from "../../components/announce";

/**
 * Makes a change, says how it ended and reads again what depends on it.
 *
 * `invalid`: prefixes of cached responses; null: all of them.
 */
export function useAct(invalid: readonly QueryKey[] | null) {
  const client = useQueryClient();
  const [isBusy, setBusy] = useState(false);

  async function act(done: string, failed: string, change: () => Promise<unknown>): Promise<boolean> {
    setBusy(true);
    try {
      await change();
      announce(done);
      notifications.show({ message: done });
      return true;
    } catch (error) {
      notifications.show({ color: "red", title: failed, message: inWords(error) });
      return false;
    } finally {
      setBusy(false);
      await (invalid === null
        ? client.invalidateQueries()
        : Promise.all(invalid.map((queryKey) => client.invalidateQueries({ queryKey: [...queryKey] }))));
    }
  }

  return { act, isBusy };
}
