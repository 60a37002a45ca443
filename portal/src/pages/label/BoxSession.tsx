import { useCallback, useEffect, useRef, useState } from "react";
import { useSearchParams } from "wouter";
import { localUri } from "../../api/client";
import { announce } from "../../components/announce";
import { Loading } from "../../components/states";
import { BoxCanvas } from "./BoxCanvas";
import { Filmstrip } from "./Filmstrip";
import { middleOf, type Box } from "./geometry";
import { NoImages, NotOpened } from "./NoImage";
import { Notice } from "./Notice";
import { prefer, usePreferences, type DrawMode } from "./preferences";
import { RegionList } from "./RegionList";
import { SessionBar } from "./SessionBar";
import { SessionFilter } from "./SessionFilter";
import { isEdited } from "./steps";
import { ghostBoxes, proposalGhosts, type Ghost } from "./suggestions";
import { SuggestionList, SuggestionPanel } from "./SuggestionPanel";
import { TagPanel } from "./TagPanel";
import { isFocusOnPage } from "./focus";
import { useBoxes } from "./useBoxes";
import { useBoxKeys, useHeldSpace } from "./useBoxKeys";
import { useLabeling } from "./useLabeling";
import { useProposals, useSuggestions } from "./useSuggestions";
import { useTagging } from "./useTagging";
import { useView } from "./useView";
import classes from "./label.module.css";

const ANY_SIZE = { width: 1, height: 1 };

function useDrawMode(): [DrawMode, (mode: DrawMode) => void] {
  const [params, setParams] = useSearchParams();
  const preferred = usePreferences().drawMode;
  const inAddress = params.get("mode");
  const mode = inAddress === "drag" || inAddress === "clicks" ? inAddress : preferred;
  const change = (next: DrawMode) => {
    prefer({ drawMode: next });
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        after.set("mode", next);
        return after;
      },
      { replace: true },
    );
  };
  return [mode, change];
}

/** Labeling with boxes: the projects of object detection. */
export function BoxSession({ projectId }: { projectId: string }) {
  const labeling = useLabeling(projectId, true, false);
  const tagging = useTagging(projectId);
  const boxes = useBoxes(labeling, tagging);
  const preferences = usePreferences();
  const { session, document, model } = labeling;
  const { imageId } = session;
  const viewing = useView(imageId ?? "", document?.image ?? ANY_SIZE);
  const [drawMode, setDrawMode] = useDrawMode();
  const [isHidden, setHidden] = useState(false);
  const [dismissed, setDismissed] = useState<{ imageId: string | null; ids: readonly string[] }>({ imageId: null, ids: [] });
  const searchRef = useRef<HTMLInputElement>(null);
  const canvasRef = useRef<HTMLDivElement>(null);
  const cancelRef = useRef<() => boolean>(() => false);

  const suggested = useSuggestions(projectId, preferences.showSuggestions ? model?.id : undefined, imageId, labeling.next);
  const proposed = useProposals(projectId, imageId, preferences.showProposals);
  const left = (ghosts: readonly Ghost[]) => (dismissed.imageId === imageId ? ghosts.filter((each) => !dismissed.ids.includes(each.id)) : ghosts);
  const suggestions = left(document && preferences.showSuggestions ? ghostBoxes(suggested.data ?? [], boxes.image, labeling.labels.boxes, tagging.isKnown, preferences.threshold) : []);
  const proposals = left(document && preferences.showProposals ? proposalGhosts(proposed.data ?? [], boxes.image, labeling.labels.boxes, suggestions) : []);
  const ghosts = [...suggestions, ...proposals];
  const currentGhost = ghosts[0];

  const focusCanvas = () => canvasRef.current?.querySelector<HTMLElement>("[data-canvas]")?.focus({ preventScroll: true });
  const askForTag = () => searchRef.current?.focus();
  const accept = (chosen: readonly Ghost[]) => {
    boxes.accept(chosen, (ghost) => ghost.tagId ?? tagging.currentTag);
    if (tagging.currentTag === null && chosen.some((each) => each.tagId === null)) askForTag();
  };
  const draw = (box: Box) => {
    boxes.add([{ tagId: tagging.currentTag, box }], "Drew a box", true);
    if (tagging.currentTag === null) askForTag();
  };
  const chooseTag = (tagId: string) => {
    tagging.use(tagId);
    if (boxes.selected) boxes.setTag(boxes.selected.key, tagId);
    else announce(`Tag of the next box: ${tagging.nameOf(tagId) ?? ""}`);
  };
  const goOn = () => {
    if (boxes.untagged) {
      boxes.select(boxes.untagged.key);
      announce("A box has no tag: choose one, or delete the box");
      askForTag();
    } else labeling.goOn();
  };

  // Held by reference, so that the listener of Space is one for the whole session.
  const acceptCurrent = useRef(() => {});
  useEffect(() => {
    acceptCurrent.current = () => (currentGhost ? accept([currentGhost]) : announce("No suggestion"));
  });
  const space = useHeldSpace(useCallback(() => acceptCurrent.current(), []));

  useBoxKeys({
    boxes,
    isEdited: document !== undefined && isEdited(document.steps),
    isOnCanvas: () => {
      // The canvas may have come after the focus was put on it.
      if (isFocusOnPage()) focusCanvas();
      return window.document.activeElement?.matches("[data-canvas]") ?? false;
    },
    reveal: viewing.reveal,
    goOn,
    goBack: labeling.goBack,
    chooseTag: (index) => {
      const tag = tagging.tags[index];
      if (tag) chooseTag(tag.id);
    },
    handlers: {
      newBox: () => {
        // Before the stage is measured, there is no middle.
        if (document && viewing.stage.width > 0) draw(middleOf(viewing.view, boxes.image, viewing.stage));
      },
      hideBoxes: () => setHidden(!isHidden),
      toggleProposals: () => prefer({ showProposals: !preferences.showProposals }),
      changeDrawMode: () => setDrawMode(drawMode === "drag" ? "clicks" : "drag"),
      acceptSuggestion: space.onKey,
      acceptAll: () => accept(suggestions),
      dismissSuggestion: () => {
        if (currentGhost) setDismissed({ imageId, ids: [...(dismissed.imageId === imageId ? dismissed.ids : []), currentGhost.id] });
      },
      saveAndNext: goOn,
      previousImage: labeling.goBack,
      skip: labeling.goOn,
      tagSearch: askForTag,
      cancel: () => {
        const wasDrawing: boolean = cancelRef.current();
        if (!wasDrawing) boxes.select(null);
      },
      zoomIn: viewing.zoomIn,
      zoomOut: viewing.zoomOut,
      zoomFit: viewing.fit,
    },
  });

  const isOpen = document !== undefined && tagging.isLoaded;
  useEffect(() => {
    if (isOpen && isFocusOnPage()) focusCanvas();
  }, [isOpen, imageId]);

  if (session.images.length === 0) return <NoImages labeling={labeling} projectId={projectId} />;
  return (
    <div className={classes.session}>
      <SessionBar
        labeling={labeling}
        viewing={viewing}
        onNext={goOn}
        onSkip={labeling.goOn}
        drawMode={drawMode}
        onDrawMode={setDrawMode}
        isHidden={isHidden}
        onHide={() => setHidden(!isHidden)}
      />
      <div className={classes.middle} ref={canvasRef}>
        <Notice labeling={labeling} />
        {labeling.failure !== null ? (
          <NotOpened labeling={labeling} />
        ) : document && tagging.isLoaded ? (
          <BoxCanvas
            key={imageId}
            image={document.image}
            src={localUri(document.image.originalImageUri)}
            label={`Boxes of image ${session.index + 1} of ${session.total}`}
            viewing={viewing}
            boxes={boxes.boxes}
            ghosts={ghosts}
            currentGhost={currentGhost?.id ?? null}
            nameOf={tagging.nameOf}
            describe={boxes.describe}
            selectedKey={boxes.selectedKey}
            isHidden={isHidden}
            drawMode={drawMode}
            panning={space.panning}
            onSelect={boxes.select}
            onAccept={(id) => accept(ghosts.filter((each) => each.id === id))}
            onDraw={draw}
            onChange={(key, box, kind) => boxes.change(key, box, kind === "move" ? "Moved a box" : "Resized a box")}
            cancelRef={cancelRef}
          />
        ) : (
          <Loading label="Loading the image" />
        )}
      </div>
      <aside className={classes.side} aria-label="Labels">
        <TagPanel
          tags={tagging.tags}
          chosen={boxes.selected ? (boxes.selected.tagId === null ? [] : [boxes.selected.tagId]) : tagging.currentTag === null ? [] : [tagging.currentTag]}
          inputRef={searchRef}
          onChoose={chooseTag}
          onCreate={(name) =>
            tagging.create(name).then((tagId) => {
              if (tagId !== null) chooseTag(tagId);
              return tagId !== null;
            })
          }
          onLeave={focusCanvas}
        />
        <SuggestionPanel
          projectId={projectId}
          labeling={labeling}
          isDetection
          error={suggested.error ?? proposed.error}
          amount={suggestions.length}
          onAcceptAll={() => accept(suggestions)}
        >
          <SuggestionList
            label="Suggested boxes"
            items={suggestions.map((each) => ({ id: each.id, name: tagging.nameOf(each.tagId) ?? "", probability: each.probability }))}
            onAccept={(id) => accept(suggestions.filter((each) => each.id === id))}
          />
        </SuggestionPanel>
        <RegionList
          boxes={boxes.boxes}
          selectedKey={boxes.selectedKey}
          image={boxes.image}
          describe={boxes.describe}
          onSelect={boxes.select}
          onType={(key, box) => boxes.change(key, box, "Typed the position of a box", true)}
          onCopy={boxes.copy}
          onDelete={boxes.remove}
          onTag={askForTag}
        />
      </aside>
      <div className={classes.strip}>
        <SessionFilter labeling={labeling} />
        <Filmstrip images={session.images} index={session.index} isLabeled={labeling.isLabeled} onShow={session.show} />
      </div>
    </div>
  );
}
