/** How a definition was read: where its pieces stand, and what of it is missing. */
import type { PlacesOf } from '../../definition/problems/known-names.ts'
import type { Unread } from '../../definition/problems/sound-part.ts'

/** What is known of a project beside its definition. */
export interface Reading {
  /** The project's folder: without places, they are found in its files where a problem has to be told. */
  readonly root?: string
  readonly places?: PlacesOf
  readonly unread?: Unread
}
