/** What both editors share: the store of the project, the open image, saving, and going from image to image. */
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { localUri } from "../../api/client";
import { whenOnline } from "../../api/connection";
import { ConnectionLost } from "../../api/errors";
import { notifications } from "@mantine/notifications";
import { announce } from "../../components/announce";
import { useLocalSteps, useUndo } from "../../undo/UndoProvider";
import { labelApi } from "./labelApi";
import { changedBox, NO_LABELS, type Labels } from "./labels";
import { LabelStore, type Options } from "./LabelStore";
import { useNextTraining } from "./useNextTraining";
import { useFilter, useSession, type SessionImage } from "./useSession";
import { useModels } from "./useSuggestions";

/** Milliseconds without a change after which an image is saved while it is open. */
const PAUSE_MS = 1000;
const AHEAD = 3;

// Saving goes on when the page is left.
const stores = new Map<string, LabelStore>();

function storeOf(projectId: string, options: Options): LabelStore {
  const name = [projectId, options.isDetection, options.single].join(" ");
  const store = stores.get(name) ?? new LabelStore(labelApi(projectId), options);
  stores.set(name, store);
  return store;
}

/** How many of the images are labeled now, as far as they were opened. */
function labeledOf(store: LabelStore, images: readonly SessionImage[]): number {
  return images.filter(({ id }) => {
    const stored = store.get(id)?.stored;
    return stored !== undefined && stored.boxes.length + stored.tagIds.length > 0;
  }).length;
}

/** The selected box of an image. */
interface BoxSelection {
  imageId: string | null;
  key: string;
}

export function useLabeling(projectId: string, isDetection: boolean, single: boolean) {
  const store = useMemo(() => storeOf(projectId, { isDetection, single }), [projectId, isDetection, single]);
  const undo = useUndo();
  const [filter, changeFilter] = useFilter();
  const suggesting = useModels(projectId);
  const { model } = suggesting;
  const session = useSession(projectId, filter, model?.id, (images) => labeledOf(store, images));
  const { imageId, images, index, list } = session;
  const document = useSyncExternalStore(store.subscribe, () => store.get(imageId));
  const toNextTraining = useNextTraining(projectId, useSyncExternalStore(store.subscribe, () => store.storedChanges));
  const [failure, setFailure] = useState<{ imageId: string; error: unknown } | null>(null);
  const [attempt, setAttempt] = useState(0);
  const [selection, setSelection] = useState<BoxSelection | null>(null);

  const place = useRef({ session, undo });
  useEffect(() => {
    place.current = { session, undo };
  });

  /** Undo and redo select the box that they put in place: the next key is meant for it. */
  const selectChanged = useCallback((id: string, from: Labels, to: Labels) => {
    const key = changedBox(from, to);
    if (key !== null) setSelection({ imageId: id, key });
  }, []);

  const commit = useCallback(
    async (id: string) => {
      const change = store.leave(id);
      if (!change) {
        if (store.get(id)?.state === "changed") await store.save(id).catch(() => undefined);
        return;
      }
      const { session: now, undo: history } = place.current;
      const number = now.images.findIndex((each) => each.id === id) + 1;
      let isFirst = true;
      const done = await history.run({
        label: `Labeled image ${number}: ${summary(change.after, isDetection)}`,
        redo: async () => {
          if (isFirst) await store.save(id);
          else await store.apply(id, change.before, change.after);
          isFirst = false;
        },
        undo: async () => {
          await store.apply(id, change.after, change.before);
          selectChanged(id, change.after, change.before);
          if (window.location.pathname.endsWith("/label")) place.current.session.show(id);
        },
      });
      if (done) announce(`Saved, ${number} of ${now.total}`);
    },
    [store, isDetection, selectChanged],
  );

  // Whatever leads away from an image saves it: keys, the list, the browser's back button, another page.
  useEffect(() => {
    if (imageId === null) return;
    store.open(imageId).then(
      () => setFailure(null),
      (error: unknown) => {
        setFailure({ imageId, error });
        if (error instanceof ConnectionLost) void whenOnline().then(() => setAttempt((before) => before + 1));
      },
    );
    void store.refresh(imageId).catch(() => undefined);
    return () => void commit(imageId);
  }, [store, imageId, commit, attempt]);

  useEffect(() => {
    if (imageId === null || document?.state !== "changed") return;
    const timer = setTimeout(() => void store.save(imageId).catch(() => undefined), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [store, imageId, document]);

  const next = useMemo(() => (index < 0 ? [] : images.slice(index + 1, index + 1 + AHEAD).map((each) => each.id)), [images, index]);
  const isOpen = document !== undefined;
  useEffect(() => {
    if (!isOpen) return;
    for (const id of next)
      store.open(id).then(
        () => {
          const image = store.get(id)?.image;
          if (image) new Image().src = localUri(image.originalImageUri);
        },
        () => undefined, // said when it is opened
      );
  }, [store, next, isOpen]);

  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && index >= images.length - 20) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage, index, images.length]);

  useEffect(() => {
    const onShown = () => {
      if (imageId !== null && window.document.visibilityState === "visible") void store.refresh(imageId).catch(() => undefined);
    };
    const onClose = (event: BeforeUnloadEvent) => {
      if (store.unsaved > 0) event.preventDefault();
    };
    window.document.addEventListener("visibilitychange", onShown);
    window.addEventListener("focus", onShown);
    window.addEventListener("beforeunload", onClose);
    return () => {
      window.document.removeEventListener("visibilitychange", onShown);
      window.removeEventListener("focus", onShown);
      window.removeEventListener("beforeunload", onClose);
    };
  }, [store, imageId]);

  useLocalSteps(
    useMemo(() => {
      const step = (direction: "undo" | "redo") => {
        const before = store.get(imageId)?.steps.current;
        const label = imageId === null ? null : store[direction](imageId);
        const after = store.get(imageId)?.steps.current;
        if (label !== null && imageId !== null && before && after) selectChanged(imageId, before, after);
        return label;
      };
      return { undo: () => step("undo"), redo: () => step("redo") };
    }, [store, imageId, selectChanged]),
  );

  const labels: Labels = document?.steps.current ?? NO_LABELS;
  return {
    store,
    session,
    filter,
    changeFilter,
    model,
    suggesting,
    document,
    labels,
    toNextTraining,
    selection,
    setSelection,
    next,
    failure: failure?.imageId === imageId ? failure.error : null,
    isLabeled: (image: SessionImage) => (store.get(image.id) ? labeledOf(store, [image]) > 0 : image.isTagged),
    reopen: () => setAttempt((before) => before + 1),
    change: (after: Labels, label: string, merge = false) => {
      if (imageId !== null) store.change(imageId, after, label, merge);
    },
    goOn: () => {
      if (images.length === 0) return;
      const following = images[index + 1];
      if (following) session.show(following.id);
      else {
        const said = "This is the last image of the list";
        notifications.show({ id: "last-image", message: said, autoClose: 4000 });
        if (imageId !== null) void commit(imageId).then(() => announce(said));
      }
    },
    goBack: () => {
      if (images.length === 0) return;
      const previous = images[index - 1];
      if (previous) session.show(previous.id);
      else announce("This is the first image of the list");
    },
  };
}

export type Labeling = ReturnType<typeof useLabeling>;

function summary(labels: Labels, isDetection: boolean): string {
  const amount = isDetection ? labels.boxes.length : labels.tagIds.length;
  const one = isDetection ? "box" : "tag";
  return amount === 1 ? `1 ${one}` : `${amount === 0 ? "no" : amount} ${isDetection ? "boxes" : "tags"}`;
}
