/** The operations that reading and writing the labels of an image need. */
import { inBatches } from "../../api/bulk/batches";
import { body, training, type Schemas } from "../../api/client";
import { toRegion } from "./geometry";
import type { LabelBox, StoredBox } from "./labels";

export type Image = Schemas["Image"];

interface CreatedBoxes {
  created: StoredBox[];
  /** How many boxes the image could not take. */
  exceeded: number;
}

export interface LabelApi {
  /** The image with its labels; undefined when it does not exist. */
  read: (imageId: string) => Promise<Image | undefined>;
  createBoxes: (image: Image, boxes: readonly (LabelBox & { tagId: string })[]) => Promise<CreatedBoxes>;
  deleteRegions: (regionIds: readonly string[]) => Promise<void>;
  addTags: (imageId: string, tagIds: readonly string[]) => Promise<void>;
  removeTags: (imageId: string, tagIds: readonly string[]) => Promise<void>;
  /** Ids of all tags of the project. */
  tagIds: () => Promise<Set<string>>;
}

/** Limits of the service: regions and tags of one request. */
const REGIONS_PER_REQUEST = 64;
const TAGS_PER_REQUEST = 20;


export function labelApi(projectId: string): LabelApi {
  const path = { projectId };
  return {
    read: async (imageId) => {
      const found = await body(training.GET("/projects/{projectId}/images/id", { params: { path, query: { imageIds: [imageId] } } }));
      return found[0];
    },
    createBoxes: async (image, boxes) => {
      const created: StoredBox[] = [];
      let exceeded = 0;
      for (const part of inBatches(boxes, REGIONS_PER_REQUEST)) {
        const regions = part.map((each) => ({ imageId: image.id, tagId: each.tagId, ...toRegion(each.box, image) }));
        const answer = await body(training.POST("/projects/{projectId}/images/regions", { params: { path }, body: { regions } }));
        exceeded += answer.exceeded.length;
        created.push(...matched(part, regions, answer.created));
      }
      return { created, exceeded };
    },
    deleteRegions: async (regionIds) => {
      for (const part of inBatches(regionIds, REGIONS_PER_REQUEST))
        await training.DELETE("/projects/{projectId}/images/regions", { params: { path, query: { regionIds: part } } });
    },
    addTags: async (imageId, tagIds) => {
      const tags = tagIds.map((tagId) => ({ imageId, tagId }));
      await training.POST("/projects/{projectId}/images/tags", { params: { path }, body: { tags } });
    },
    removeTags: async (imageId, tagIds) => {
      for (const part of inBatches(tagIds, TAGS_PER_REQUEST))
        await training.DELETE("/projects/{projectId}/images/tags", { params: { path, query: { imageIds: [imageId], tagIds: part } } });
    },
    tagIds: async () => new Set((await body(training.GET("/projects/{projectId}/tags", { params: { path } }))).map((tag) => tag.id)),
  };
}

type Sent = Schemas["ImageRegionCreateEntry"];

/** The regions of a response, which are in no order, beside the boxes that were sent. */
function matched(
  boxes: readonly (LabelBox & { tagId: string })[],
  sent: readonly Sent[],
  answered: readonly Schemas["ImageRegionCreateResult"][],
): StoredBox[] {
  const open = boxes.map((box, index) => ({ box, sent: sent[index] }));
  return answered.flatMap((region) => {
    const distance = (other: Sent | undefined) =>
      other?.tagId === region.tagId
        ? Math.abs(other.left - region.left) + Math.abs(other.top - region.top) + Math.abs(other.width - region.width) + Math.abs(other.height - region.height)
        : Infinity;
    const nearest = open.toSorted((one, other) => distance(one.sent) - distance(other.sent))[0];
    if (!nearest || distance(nearest.sent) === Infinity) return [];
    open.splice(open.indexOf(nearest), 1);
    return [{ regionId: region.regionId, key: nearest.box.key, tagId: region.tagId, box: nearest.box.box }];
  });
}
