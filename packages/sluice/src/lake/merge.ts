/** Files whose rows are in others now, in one for several: by a compaction, or because their types changed. */
import { assert } from '../base/errors.ts'
import { firstVersionOf, identityOf } from './growth.ts'
import type { DataFile } from './record.ts'

/** Files that became one; that their rows are the same is for the caller to prove. */
export interface Merge {
  /** Of one partition, with the same columns; whole versions of it, see `smallFiles`. */
  readonly files: readonly DataFile[]
  /** With all columns of the version. */
  readonly made: Pick<DataFile, 'rows' | 'stats' | 'content'> & { readonly localFile: string }
}

/**
 * What was made, as files to be adopted.
 *
 * @example const adopted = await adoptFiles(storage, clock, { ...input, files: madeFiles(merges, ['id', 'name']) })
 * @param columns The version's, all of which each has.
 */
export function madeFiles(
  merges: readonly Merge[],
  columns: readonly string[],
): readonly (Merge['made'] & Pick<DataFile, 'fields' | 'partition'>)[] {
  return merges.map(({ files, made }) => {
    assert(made.rows === files.reduce((sum, { rows }) => sum + rows, 0), 'files that become one keep their rows')
    const [{ partition } = {}] = files
    return {
      ...made,
      ...(partition === undefined ? {} : { partition }),
      fields: columns,
    }
  })
}

/**
 * A version's files, each that was made in place of those that it was made of, with what is known of their rows' versions.
 *
 * @example placeMade(parent.files, merges, adopted)
 * @param adopted What was made of each merge.
 */
export function placeMade(
  files: readonly DataFile[],
  merges: readonly Merge[],
  adopted: readonly Omit<DataFile, 'addedIn'>[],
): readonly DataFile[] {
  const places = new Map(merges.flatMap((merge, at) => merge.files.map(({ path }, place) => [path, { at, place }])))
  return files.flatMap((file): readonly DataFile[] => {
    const found = places.get(file.path)
    if (found === undefined) return [file]
    if (found.place > 0) return []
    const parts = (merges[found.at] as Merge).files
    const merged = { from: Math.min(...parts.map(firstVersionOf)), identity: identityOf(parts) }
    const addedIn = Math.max(...parts.map((part) => part.addedIn))
    return [{ ...(adopted[found.at] as Omit<DataFile, 'addedIn'>), addedIn, merged }]
  })
}
