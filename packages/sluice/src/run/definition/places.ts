/** Where a piece of a definition stands, found again in its file when a problem has to be told. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PlacesOf } from '../../definition/problems/known-names.ts'
import { noPlaces, type Places, placesInCode } from '../../definition/problems/places.ts'
import { readData } from '../../definition/read-data.ts'

/**
 * Places in the files of a project; those of a file that cannot be read again name the file alone.
 *
 * @example placesIn('/home/me/shop')('pipelines/retail/pipeline.ts').at(['sources', 'sales'])
 */
export function placesIn(root: string): PlacesOf {
  const known = new Map<string, Places>()
  return (file) => {
    let places = known.get(file)
    if (places === undefined) {
      places = placesOf(root, file)
      known.set(file, places)
    }
    return places
  }
}

function placesOf(root: string, file: string): Places {
  try {
    const text = readFileSync(join(root, file), 'utf8').replace(/^\uFEFF/, '')
    return /\.(json|ya?ml)$/.test(file) ? readData(file, text).places : placesInCode(file, text)
  } catch {
    return noPlaces(file)
  }
}
