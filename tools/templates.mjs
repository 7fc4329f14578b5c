/**
 * Copies the examples into the package, where `sluice init` finds them as templates: one source for both, so that they cannot differ.
 *
 * What an example's .gitignore names stays out; the file itself goes along as `gitignore`, because npm publishes none.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const root = join(import.meta.dirname, '..')

for (const name of ['retail', 'procedures', 'marketplace']) {
  const example = join(root, 'examples', name)
  const template = join(root, 'packages/sluice/templates', name)
  const ignore = readFileSync(join(example, '.gitignore'), 'utf8')
  const ignored = ignore.split('\n').filter((line) => line !== '')
  const isIgnored = (path) =>
    path === '.gitignore' ||
    ignored.some((line) =>
      line.endsWith('*') ? path.startsWith(line.slice(0, -1)) : `${path}/`.startsWith(line.replace(/\/?$/, '/')),
    )
  rmSync(template, { recursive: true, force: true })
  cpSync(example, template, { recursive: true, filter: (from) => !isIgnored(relative(example, from)) })
  writeFileSync(join(template, 'gitignore'), ignore)
  const manifest = join(template, 'package.json')
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace(`"example-${name}"`, `"${name}"`))
}
