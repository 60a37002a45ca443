import { Button, Group, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, type ReactNode } from "react";
import { inWords } from "../api/errors";
import { cacheKeys } from "../api/keys";
import { announce } from "../components/announce";
import { BUTTON_SHOWN_MS } from "../components/noticeTimes";
import { useKeys } from "../keyboard/useKeys";
import { History, PartlyUndone, type Change } from "./history";

/** Steps of an editor that are not on the server. Each returns what was done, or null when there is no step. */
interface LocalSteps {
  undo: () => string | null;
  redo: () => string | null;
}

interface Undo {
  /**
   * Make a change that can be undone; refreshes what the project shows. `toast`: show what was done with a button
   * that undoes it (for bulk actions and deletions). Resolves to whether it was made; a failure is shown, or
   * passed to `onError`, for a form that shows it at the field.
   */
  run: (change: Change, options?: { toast?: boolean; onError?: (error: unknown) => void }) => Promise<boolean>;
  undo: () => Promise<void>;
  redo: () => Promise<void>;
  /** Steps that are taken before those on the server; null ends it. */
  setLocal: (steps: LocalSteps | null) => void;
}

const DONE = { undo: "Undone", redo: "Redone" } as const;

const UndoContext = createContext<Undo | null>(null);

export function useUndo(): Undo {
  const undo = useContext(UndoContext);
  if (!undo) throw new Error("useUndo is used within a project.");
  return undo;
}

/** Undo and redo go through the steps of an open editor first, while the component is mounted. */
export function useLocalSteps(steps: LocalSteps): void {
  const { setLocal } = useUndo();
  useEffect(() => {
    setLocal(steps);
    return () => setLocal(null);
  }, [setLocal, steps]);
}

/** The changes of one project, with the keys for undo and redo. */
export function UndoProvider({ projectId, children }: { projectId: string; children: ReactNode }) {
  const client = useQueryClient();
  // A new history for each project.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const history = useMemo(() => new History(), [projectId]);
  const local = useRef<LocalSteps | null>(null);

  const refresh = useCallback(
    () => client.invalidateQueries({ queryKey: cacheKeys.project(projectId) }),
    [client, projectId],
  );

  const step = useCallback(
    async (direction: "undo" | "redo") => {
      const step = local.current?.[direction]();
      if (step) {
        announce(`${DONE[direction]}: ${step}`);
        return;
      }
      try {
        const change = await history[direction]();
        const prefix = DONE[direction];
        announce(change ? `${prefix}: ${change.label}` : `Nothing to ${direction}`);
        if (change) notifications.show({ message: `${prefix}: ${change.label}`, autoClose: 3000 });
      } catch (error) {
        const failed = `It could not be ${DONE[direction].toLowerCase()}`;
        const title = error instanceof PartlyUndone ? "Not all could be undone" : failed;
        notifications.show({ color: "red", title, message: inWords(error), autoClose: false });
      }
      await refresh();
    },
    [history, refresh],
  );

  const value = useMemo<Undo>(
    () => ({
      run: async (change, { toast = false, onError } = {}) => {
        try {
          await history.run(change);
        } catch (error) {
          if (onError) onError(error);
          else notifications.show({ color: "red", title: "Not done", message: inWords(error) });
          await refresh();
          return false;
        }
        announce(change.label);
        notifications.hide(TOAST); // its button would undo this change
        if (toast) showToast(change.label, () => void step("undo"));
        void refresh();
        return true;
      },
      undo: () => step("undo"),
      redo: () => step("redo"),
      setLocal: (steps) => {
        local.current = steps;
      },
    }),
    [history, refresh, step],
  );

  useKeys({ undo: () => void value.undo(), redo: () => void value.redo() });
  return <UndoContext value={value}>{children}</UndoContext>;
}

const TOAST = "undo";

function showToast(label: string, undo: () => void): void {
  notifications.show({
    id: TOAST,
    autoClose: BUTTON_SHOWN_MS,
    message: (
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm">{label}</Text>
        <Button
          size="compact-sm"
          variant="light"
          onClick={() => {
            notifications.hide(TOAST);
            undo();
          }}
        >
          Undo
        </Button>
      </Group>
    ),
  });
}
