/**
 * The labels of the images of a session: what is shown, what the server has, and saving one to the other.
 *
 * Saves run one after another, in the order in which images were left. Without a connection they wait, and nothing
 * is lost; before each save the image is read, so that changes made elsewhere are kept and said.
 */
import { connection, whenOnline } from "../../api/connection";
import { ApiError, ConnectionLost, inWords, isTransient } from "../../api/errors";
import type { Image, LabelApi } from "./labelApi";
import {
  difference, isEmpty, isForeign, ofImage, patched, reconciled, sameLabels, shown, withForeign,
  type Foreign, type Labels, type Stored,
} from "./labels";
import { begin, changed, mapped, redone, undone, type Steps } from "./steps";

export type SaveState = "saved" | "changed" | "saving" | "waiting" | "failed" | "gone";

/** One image of the session. Immutable: each change makes a new one. */
interface LabelDocument {
  image: Image;
  stored: Stored;
  steps: Steps<Labels>;
  /** The labels when the image was opened, or left last: undo of the whole image goes back there. */
  opened: Labels;
  state: SaveState;
  /** What a person must read: a failure, or a change made in another window. */
  notice: string | null;
}

export interface Options {
  isDetection: boolean;
  /** An image has at most one tag (Multiclass). */
  single: boolean;
  /** Milliseconds between attempts where the server gives no time. */
  retryMs?: number;
}

export class LabelStore {
  #documents = new Map<string, LabelDocument>();
  #listeners = new Set<() => void>();
  #last: Promise<unknown> = Promise.resolve();
  #opening = new Map<string, Promise<void>>();
  #boxes = 0;
  #changes = 0;

  constructor(
    private readonly api: LabelApi,
    readonly options: Options,
  ) {}

  /** A key for a new box. */
  newKey(): string {
    this.#boxes += 1;
    return `new-${this.#boxes}`;
  }

  get(imageId: string | null): LabelDocument | undefined {
    return imageId === null ? undefined : this.#documents.get(imageId);
  }

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** How often labels that the server has were changed, by this page or as it noticed. */
  get storedChanges(): number {
    return this.#changes;
  }

  /** How many images have labels that are not saved. */
  get unsaved(): number {
    return [...this.#documents.values()].filter((each) => each.state !== "saved" && each.state !== "gone").length;
  }

  /** Read an image that is not open yet. Rejects when it cannot be read; an image that is gone stays undefined. */
  open(imageId: string): Promise<void> {
    if (this.#documents.has(imageId)) return Promise.resolve();
    const running = this.#opening.get(imageId);
    if (running) return running;
    const reading = this.#read(imageId).finally(() => this.#opening.delete(imageId));
    this.#opening.set(imageId, reading);
    return reading;
  }

  async #read(imageId: string): Promise<void> {
    const image = await this.api.read(imageId);
    if (!image) throw new ApiError(404, "NotFoundImage", "This image does not exist. It was perhaps deleted in another window.");
    const stored = ofImage(image, this.options.isDetection);
    const labels = shown(stored);
    this.#put(imageId, { image, stored, steps: begin(labels), opened: labels, state: "saved", notice: null });
  }

  /** Read again what is not being edited, as when the window is shown again. */
  async refresh(imageId: string): Promise<void> {
    if (this.#documents.get(imageId)?.state !== "saved") return;
    await this.#inTurn(() => this.#reconcile(imageId));
  }

  change(imageId: string, labels: Labels, label: string, merge = false): void {
    this.#edit(imageId, (document) => changed(document.steps, labels, label, merge));
  }

  /** Undo a step within the image; null when there is none. */
  undo(imageId: string): string | null {
    return this.#step(imageId, undone);
  }

  redo(imageId: string): string | null {
    return this.#step(imageId, redone);
  }

  #step(imageId: string, step: typeof undone): string | null {
    const document = this.#documents.get(imageId);
    const result = document && step(document.steps);
    if (!result) return null;
    this.#edit(imageId, () => result.steps);
    return result.label;
  }

  #edit(imageId: string, next: (document: LabelDocument) => Steps<Labels>): void {
    const document = this.#documents.get(imageId);
    if (!document || document.state === "gone") return;
    const steps = next(document);
    const clean = isEmpty(difference(document.stored, steps.current)) && steps.current.boxes.every((each) => each.tagId !== null);
    const busy = document.state === "saving" || document.state === "waiting";
    this.#put(imageId, { ...document, steps, state: busy ? document.state : clean ? "saved" : "changed" });
  }

  /**
   * Close the editing of an image: later undos take back all of it. Returns the labels before and after, or null
   * when nothing changed.
   */
  leave(imageId: string): { before: Labels; after: Labels } | null {
    const document = this.#documents.get(imageId);
    if (!document || document.state === "gone") return null;
    const { opened: before, steps } = document;
    const after = steps.current;
    if (sameLabels(before, after)) return null;
    this.#put(imageId, { ...document, opened: after, steps: begin(after) });
    return { before, after };
  }

  /** Make the change from one version to another, beside what changed since, and save it. */
  async apply(imageId: string, from: Labels, to: Labels): Promise<void> {
    await this.open(imageId);
    this.#edit(imageId, (document) => begin(patched(document.steps.current, from, to)));
    const document = this.#documents.get(imageId);
    if (document) this.#put(imageId, { ...document, opened: document.steps.current });
    await this.save(imageId);
  }

  /** Save what changed. Resolves when it is stored; rejects when it cannot be, with the reason. */
  save(imageId: string): Promise<void> {
    return this.#inTurn(() => this.#save(imageId));
  }

  dismiss(imageId: string): void {
    const document = this.#documents.get(imageId);
    if (document) this.#put(imageId, { ...document, notice: null });
  }

  async #save(imageId: string): Promise<void> {
    let attempts = 0;
    for (;;) {
      const document = this.#documents.get(imageId);
      if (!document || document.state === "gone") return;
      if (isEmpty(difference(document.stored, document.steps.current))) {
        this.#settle(imageId);
        return;
      }
      this.#put(imageId, { ...document, state: document.state === "waiting" ? "waiting" : "saving" });
      try {
        await this.#attempt(imageId, attempts);
        attempts += 1;
      } catch (error) {
        await this.#afterFailure(imageId, error);
      }
    }
  }

  /** Wait where trying again helps; reject otherwise. */
  async #afterFailure(imageId: string, error: unknown): Promise<void> {
    const document = this.#documents.get(imageId);
    if (!document) return;
    const signedOut = error instanceof ApiError && error.status === 401;
    if (signedOut || isTransient(error)) {
      this.#put(imageId, { ...document, state: "waiting" });
      const retryAfter = error instanceof ApiError ? error.retryAfter : null;
      if (!(error instanceof ConnectionLost || signedOut) || connection() === "online")
        await new Promise((resolve) => setTimeout(resolve, retryAfter === null ? (this.options.retryMs ?? 1000) : retryAfter * 1000));
      await whenOnline();
      return;
    }
    if (await this.#withoutDeletedTags(imageId, error)) return;
    // The image itself may have been deleted between reading and writing.
    if (error instanceof ApiError && error.status === 404 && !(await this.#reconcile(imageId).catch(() => true))) return;
    this.#put(imageId, { ...(this.#documents.get(imageId) ?? document), state: "failed", notice: `The labels are not saved. ${inWords(error)}` });
    throw error;
  }

  /** Whether a failure is due to tags that were deleted; labels with them lose them then. */
  async #withoutDeletedTags(imageId: string, error: unknown): Promise<boolean> {
    if (!(error instanceof ApiError && [400, 404].includes(error.status))) return false;
    const known = await this.api.tagIds().catch(() => null);
    const document = this.#documents.get(imageId);
    if (!known || !document) return false;
    const { boxes, tagIds } = document.steps.current;
    const lost = boxes.filter((each) => each.tagId !== null && !known.has(each.tagId)).length;
    const lostTags = tagIds.filter((tagId) => !known.has(tagId));
    if (lost + lostTags.length === 0) return false;
    const steps = mapped(document.steps, (labels) => ({
      boxes: labels.boxes.map((each) => (each.tagId !== null && !known.has(each.tagId) ? { ...each, tagId: null } : each)),
      tagIds: labels.tagIds.filter((tagId) => known.has(tagId)),
    }));
    const notice =
      lost > 0
        ? `A tag was deleted in another window. ${lost === 1 ? "One box has" : `${lost} boxes have`} no tag now and ${lost === 1 ? "is" : "are"} not saved: choose another tag.`
        : "A tag of this image was deleted in another window.";
    this.#put(imageId, { ...document, steps, notice });
    return true;
  }

  /** One round of writing: what is new first, then what it replaces, so that no failure between loses a label. */
  async #attempt(imageId: string, round: number): Promise<void> {
    if (!(await this.#reconcile(imageId))) return;
    const document = this.#documents.get(imageId);
    if (!document) return;
    const { image, stored, steps } = document;
    const change = difference(stored, steps.current);
    if (isEmpty(change)) return;
    let exceeded = 0;
    if (change.boxesToCreate.length > 0) {
      const answer = await this.api.createBoxes(image, change.boxesToCreate);
      exceeded = answer.exceeded;
      this.#store(imageId, (now) => ({ ...now, boxes: [...now.boxes, ...answer.created] }));
    }
    if (change.regionsToDelete.length > 0) {
      await this.api.deleteRegions(change.regionsToDelete);
      const gone = new Set(change.regionsToDelete);
      this.#store(imageId, (now) => ({ ...now, boxes: now.boxes.filter((each) => !gone.has(each.regionId)) }));
    }
    await this.#writeTags(imageId, change.tagsToAdd, change.tagsToRemove);
    if (exceeded > 0 && round > 0)
      throw new ApiError(400, "", `The image has as many boxes or tags as an image can have; ${exceeded} more could not be stored. Delete some.`);
  }

  async #writeTags(imageId: string, added: readonly string[], removed: readonly string[]): Promise<void> {
    // An image of a Multiclass project, or with a Negative tag, cannot have the new tag beside the old one.
    if (removed.length > 0) {
      await this.api.removeTags(imageId, removed);
      this.#store(imageId, (now) => ({ ...now, tagIds: now.tagIds.filter((tagId) => !removed.includes(tagId)) }));
    }
    if (added.length > 0) {
      await this.api.addTags(imageId, added);
      this.#store(imageId, (now) => ({ ...now, tagIds: [...now.tagIds, ...added] }));
    }
  }

  #store(imageId: string, change: (stored: Stored) => Stored): void {
    const document = this.#documents.get(imageId);
    if (!document) return;
    this.#changes += 1;
    this.#put(imageId, { ...document, stored: change(document.stored) });
  }

  /** Read the image and take over what changed elsewhere. Returns whether the image exists. */
  async #reconcile(imageId: string): Promise<boolean> {
    const image = await this.api.read(imageId);
    const document = this.#documents.get(imageId);
    if (!document) return false;
    if (!image) {
      this.#put(imageId, { ...document, state: "gone", notice: "This image was deleted in another window. Its labels are not saved." });
      return false;
    }
    const { stored, foreign } = reconciled(document.stored, document.steps.current, ofImage(image, this.options.isDetection));
    if (!isForeign(foreign)) {
      this.#put(imageId, { ...document, stored });
      return true;
    }
    const take = (labels: Labels) => withForeign(labels, foreign, this.options.single);
    this.#put(imageId, { ...document, stored, steps: mapped(document.steps, take), opened: take(document.opened), notice: said(foreign) });
    return true;
  }

  #settle(imageId: string): void {
    const document = this.#documents.get(imageId);
    if (!document) return;
    const untagged = document.steps.current.boxes.some((each) => each.tagId === null);
    this.#put(imageId, { ...document, state: untagged ? "changed" : "saved" });
  }

  #put(imageId: string, document: LabelDocument): void {
    this.#documents.set(imageId, document);
    for (const listener of this.#listeners) listener();
  }

  #inTurn<Result>(step: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(step, step);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** What changed elsewhere, in a sentence. */
function said(foreign: Foreign): string {
  const of = (amount: number, one: string, many: string) => (amount === 0 ? [] : [`${amount} ${amount === 1 ? one : many}`]);
  const added = [...of(foreign.addedBoxes.length, "box", "boxes"), ...of(foreign.addedTags.length, "tag", "tags")];
  const removed = [...of(foreign.removedKeys.length, "box", "boxes"), ...of(foreign.removedTags.length, "tag", "tags")];
  const parts = [
    ...(added.length ? [`${added.join(" and ")} added`] : []),
    ...(removed.length ? [`${removed.join(" and ")} removed`] : []),
  ];
  return `This image was changed in another window: ${parts.join(", ")}. Your changes are kept beside that.`;
}
