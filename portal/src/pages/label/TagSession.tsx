import { Group, Switch } from "@mantine/core";
import { useCallback, useEffect, useLayoutEffect, useRef } from "react";
import { localUri } from "../../api/client";
import { announce } from "../../components/announce";
import { Loading } from "../../components/states";
import { TagBadge } from "../../components/TagBadge";
import { forTagKeys } from "../../keyboard/actions";
import { useKeys, type KeyHandlers } from "../../keyboard/useKeys";
import { Filmstrip } from "./Filmstrip";
import { ImageStage } from "./ImageStage";
import { NoImages, NotOpened } from "./NoImage";
import { Notice } from "./Notice";
import { prefer, usePreferences } from "./preferences";
import { SessionBar } from "./SessionBar";
import { SessionFilter } from "./SessionFilter";
import { suggestedTags } from "./suggestions";
import { SuggestionList, SuggestionPanel } from "./SuggestionPanel";
import { TagPanel } from "./TagPanel";
import { isFocusOnPage } from "./focus";
import { toggledTag } from "./toggledTag";
import { useHeldSpace } from "./useBoxKeys";
import { useLabeling } from "./useLabeling";
import { useSuggestions } from "./useSuggestions";
import { useTagging } from "./useTagging";
import { useView } from "./useView";
import classes from "./label.module.css";

const ANY_SIZE = { width: 1, height: 1 };

/** Labeling with tags: the projects of classification. `single`: an image has one tag. */
export function TagSession({ projectId, single }: { projectId: string; single: boolean }) {
  const labeling = useLabeling(projectId, false, single);
  const tagging = useTagging(projectId);
  const preferences = usePreferences();
  const { session, document, model, store } = labeling;
  const { imageId } = session;
  const viewing = useView(imageId ?? "", document?.image ?? ANY_SIZE);
  const searchRef = useRef<HTMLInputElement>(null);
  const stageRef = useRef<HTMLDivElement>(null);
  const goesOn = single ? preferences.goOnSingle : preferences.goOnSeveral;
  const { tagIds } = labeling.labels;

  const query = useSuggestions(projectId, preferences.showSuggestions ? model?.id : undefined, imageId, labeling.next);
  const all = document && preferences.showSuggestions ? suggestedTags(query.data ?? [], tagIds, tagging.isKnown, preferences.threshold) : [];
  // An image with its one tag needs no other.
  const suggestions = single && tagIds.length > 0 ? [] : single ? all.slice(0, 3) : all;

  const put = (chosen: readonly string[], label: string) => {
    const open = store.get(imageId);
    if (!open) return;
    const negatives = new Set(tagging.tags.filter((tag) => tag.type === "Negative").map((tag) => tag.id));
    let now = open.steps.current.tagIds;
    for (const tagId of chosen) now = toggledTag(now, tagId, { single, isNegative: (id) => negatives.has(id) });
    labeling.change({ boxes: [], tagIds: now }, label);
    announce(now.length ? now.map((id) => tagging.nameOf(id)).join(", ") : "No tag");
    if (goesOn && now.length > 0 && chosen.some((tagId) => now.includes(tagId))) labeling.goOn();
  };
  // Tags that were chosen while the image was loaded.
  const waiting = useRef<{ imageId: string | null; tagIds: string[] }>({ imageId: null, tagIds: [] });
  const choose = (tagId: string) => {
    tagging.use(tagId);
    if (!document) {
      if (waiting.current.imageId !== imageId) waiting.current = { imageId, tagIds: [] };
      waiting.current.tagIds.push(tagId);
      return;
    }
    put([tagId], tagIds.includes(tagId) ? `Removed the tag '${tagging.nameOf(tagId) ?? ""}'` : `Tagged with '${tagging.nameOf(tagId) ?? ""}'`);
  };
  // Before the page shows the image, which would say "Saved" without these tags.
  useLayoutEffect(() => {
    if (!document || waiting.current.imageId !== imageId) return;
    for (const tagId of waiting.current.tagIds.splice(0)) choose(tagId);
  });
  const acceptAll = () => put((single ? suggestions.slice(0, 1) : suggestions).map((each) => each.tagId), "Accepted all suggestions");
  const focusStage = () => stageRef.current?.querySelector<HTMLElement>("[data-canvas]")?.focus({ preventScroll: true });

  const accept = useRef(() => {});
  useEffect(() => {
    accept.current = () => {
      const first = suggestions[0];
      if (first) put([first.tagId], "Accepted a suggestion");
      else labeling.goOn();
    };
  });
  const space = useHeldSpace(useCallback(() => accept.current(), []));
  const handlers: KeyHandlers = {
    acceptSuggestion: space.onKey,
    acceptAll,
    saveAndNext: labeling.goOn,
    moveRight: labeling.goOn,
    previousImage: labeling.goBack,
    moveLeft: labeling.goBack,
    skip: labeling.goOn,
    tagSearch: () => searchRef.current?.focus(),
    deleteBox: () => labeling.change({ boxes: [], tagIds: [] }, "Removed all tags"),
    zoomIn: viewing.zoomIn,
    zoomOut: viewing.zoomOut,
    zoomFit: viewing.fit,
    ...forTagKeys("tag", (index) => () => {
      const tag = tagging.tags[index];
      if (tag) choose(tag.id);
    }),
  };
  useKeys(handlers);

  const isOpen = document !== undefined && tagging.isLoaded;
  useEffect(() => {
    if (isOpen && isFocusOnPage()) focusStage();
  }, [isOpen, imageId]);

  if (session.images.length === 0) return <NoImages labeling={labeling} projectId={projectId} />;
  return (
    <div className={classes.session}>
      <SessionBar labeling={labeling} viewing={viewing} onNext={labeling.goOn} onSkip={labeling.goOn} />
      <div className={classes.middle} ref={stageRef}>
        <Notice labeling={labeling} />
        {labeling.failure !== null ? (
          <NotOpened labeling={labeling} />
        ) : document && tagging.isLoaded ? (
          <ImageStage image={document.image} src={localUri(document.image.originalImageUri)} label={`Image ${session.index + 1} of ${session.total}, ${tagIds.map((id) => tagging.nameOf(id)).join(", ") || "no tag"}`} viewing={viewing} />
        ) : (
          <Loading label="Loading the image" />
        )}
        {tagIds.length > 0 && (
          <Group gap={6} className={classes.imageTags}>
            {tagIds.map((id) => (
              <TagBadge key={id} tagId={id} name={tagging.nameOf(id) ?? ""} size="lg" variant="default" />
            ))}
          </Group>
        )}
      </div>
      <aside className={classes.side} aria-label="Labels">
        <TagPanel
          tags={tagging.tags}
          chosen={tagIds}
          inputRef={searchRef}
          onChoose={choose}
          onCreate={(name) =>
            tagging.create(name).then((tagId) => {
              if (tagId !== null) choose(tagId);
              return tagId !== null;
            })
          }
          onLeave={focusStage}
        />
        <section className={classes.section}>
          <Switch
            size="xs"
            label="Tag and go on"
            description="The next image opens as soon as a tag is chosen"
            checked={goesOn}
            onChange={(event) => prefer(single ? { goOnSingle: event.currentTarget.checked } : { goOnSeveral: event.currentTarget.checked })}
          />
        </section>
        <SuggestionPanel projectId={projectId} labeling={labeling} isDetection={false} error={query.error} amount={suggestions.length} onAcceptAll={acceptAll}>
          <SuggestionList
            label="Suggested tags"
            items={suggestions.map((each) => ({ id: each.tagId, name: tagging.nameOf(each.tagId) ?? "", probability: each.probability }))}
            onAccept={(tagId) => put([tagId], "Accepted a suggestion")}
          />
        </SuggestionPanel>
      </aside>
      <div className={classes.strip}>
        <SessionFilter labeling={labeling} />
        <Filmstrip images={session.images} index={session.index} isLabeled={labeling.isLabeled} onShow={session.show} />
      </div>
    </div>
  );
}
