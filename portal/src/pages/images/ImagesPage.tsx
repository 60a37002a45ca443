import { useCallback, useMemo, useRef, useState } from "react";
import { useLocation } from "wouter";
import type { PageProps } from "../../app/pages";
import { useImageCount } from "../../api/queries/images";
import { useProjectKind } from "../../api/queries/projects";
import { useConfirm } from "../../components/confirm";
import { useOrderedTags } from "../../components/tagOrder";
import { ExportDialog } from "../../datasets/ExportDialog";
import { ErrorState, Loading } from "../../components/states";
import { useDialogInAddress } from "../../components/useDialogInAddress";
import { useKeys } from "../../keyboard/useKeys";
import { forTagKeys } from "../../keyboard/actions";
import { addressOfFilter, dependsOnTags } from "../../lib/imageFilter";
import { ImageDetail } from "./detail/ImageDetail";
import { EmptyList } from "./EmptyList";
import { everything, NOTHING, selectedCount, withImages } from "./grid/selection";
import { ImageGrid } from "./grid/ImageGrid";
import { SelectionBar } from "./SelectionBar";
import { SideBar } from "./SideBar";
import { useTagActions } from "./tags/useTagActions";
import { Toolbar } from "./Toolbar";
import { UploadArea } from "./upload/UploadArea";
import { useAddress } from "./useAddress";
import type { Chosen } from "./chosen";
import { useImageActions } from "./useImageActions";
import { useSelection } from "./useSelection";
import type { Tag } from "../../api/queries/tags";
import classes from "./images.module.css";

/** The training images: grid, filters, tags, selection. */
export default function ImagesPage({ projectId }: PageProps) {
  const { filter, setFilter, size, setSize, imageId, at, open } = useAddress();
  const [, navigate] = useLocation();
  const { isDetection } = useProjectKind(projectId);
  const ordered = useOrderedTags(projectId, filter.iterationId);
  const total = useImageCount(projectId, filter);
  const { ask, dialog } = useConfirm();
  const actions = useImageActions(projectId, ask);
  const { create } = useTagActions(projectId);
  const [picking, setPicking] = useState<"tag" | "untag" | null>(null);
  // Not a state: the next key can come before the page is drawn again.
  const focused = useRef<string | null>(null);
  const setFocused = useCallback((id: string | null) => {
    focused.current = id;
  }, []);
  const [openDialog, setDialog] = useDialogInAddress();
  const readOnly = filter.iterationId !== undefined;
  const adding = !readOnly && (openDialog === "add" || openDialog === "dataset") ? openDialog : null;
  const onUpload = readOnly ? null : () => setDialog("add");

  const [selection, select] = useSelection(projectId, filter);
  const names = useMemo(() => new Map((ordered ?? []).map((tag) => [tag.id, tag.name])), [ordered]);
  const images = total.data ?? 0;
  const selected = selectedCount(selection);

  /** The selection, or the focused image where there is none. */
  function subject(): Chosen | null {
    if (selected > 0) return { selection, filter };
    return focused.current === null ? null : { imageIds: [focused.current] };
  }
  async function labeled(work: Promise<boolean>) {
    if ((await work) && dependsOnTags(filter)) select(NOTHING);
  }
  function tag(picked: Tag | undefined) {
    const images = subject();
    if (picked && images) void labeled(actions.tag(images, picked));
  }
  function untag(picked: Tag | undefined) {
    const images = subject();
    if (picked && images) void labeled(actions.untag(images, [picked]));
  }
  async function remove() {
    const images = subject();
    if (images && (await actions.remove(images))) select(NOTHING);
  }
  async function createAndTag(name: string) {
    tag(await create({ name, description: "", type: "Regular" }));
  }
  const openImage = useCallback(
    (id: string, index: number) => {
      if (!isDetection) open(id, index);
      else navigate(`/projects/${projectId}/label?image=${id}&${addressOfFilter(filter).toString()}`);
    },
    [isDetection, open, navigate, projectId, filter],
  );

  const enabled = imageId === null;
  useKeys({ gridUntagged: () => setFilter({ status: filter.status === "Untagged" ? "All" : "Untagged", tagIds: [] }) }, enabled);
  useKeys(
    {
      gridDelete: () => void remove(),
      gridTagSearch: () => {
        if (selected === 0 && focused.current !== null) select(withImages(NOTHING, [focused.current]));
        setPicking("tag");
      },
      ...forTagKeys("gridTag", (index) => () => tag(ordered?.[index])),
      ...forTagKeys("gridUntag", (index) => () => untag(ordered?.[index])),
    },
    enabled && !readOnly && images > 0,
  );

  return (
    <div className={`with-side ${classes.page}`}>
      <SideBar projectId={projectId} filter={filter} onFilter={setFilter} ordered={ordered ?? []} />
      <section className={classes.main} aria-label="Images">
        {selected > 0 && !readOnly ? (
          <SelectionBar
            selected={selected}
            total={images}
            ordered={ordered ?? []}
            onTag={tag}
            onUntag={untag}
            onCreate={(name) => void createAndTag(name)}
            onDelete={() => void remove()}
            onAll={() => select(everything(images))}
            onNone={() => {
              select(NOTHING);
              setPicking(null);
            }}
            picking={picking}
            onPicking={setPicking}
          />
        ) : (
          <Toolbar
            filter={filter}
            onFilter={setFilter}
            size={size}
            onSize={setSize}
            total={total.data}
            tags={ordered ?? []}
            onUpload={onUpload}
            onImport={readOnly ? null : () => setDialog("dataset")}
            onExport={() => setDialog("export")}
          />
        )}
        {total.error && total.data === undefined ? (
          <div>
            <ErrorState error={total.error} onRetry={() => void total.refetch()} />
          </div>
        ) : total.data === undefined ? (
          <Loading />
        ) : total.data === 0 ? (
          <EmptyList filter={filter} onFilter={setFilter} isDetection={isDetection} onUpload={onUpload} />
        ) : (
          <ImageGrid
            projectId={projectId}
            filter={filter}
            count={images}
            size={size}
            whole={isDetection}
            names={names}
            selection={selection}
            onSelect={select}
            onFocused={setFocused}
            onOpen={openImage}
            keysEnabled={enabled}
          />
        )}
      </section>
      {imageId !== null && (
        <ImageDetail
          projectId={projectId}
          imageId={imageId}
          at={at}
          filter={filter}
          total={images}
          ordered={ordered ?? []}
          actions={actions}
          readOnly={readOnly}
          onOpen={open}
        />
      )}
      <UploadArea
        projectId={projectId}
        tags={ordered ?? []}
        opened={adding}
        onOpened={setDialog}
        enabled={enabled && !readOnly && openDialog !== "export"}
      />
      <ExportDialog projectId={projectId} opened={openDialog === "export"} onClose={() => setDialog(null)} />
      {dialog}
    </div>
  );
}
