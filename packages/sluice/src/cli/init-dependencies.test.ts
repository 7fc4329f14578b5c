import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ownPackage, sluiceDependency, withDependencies } from './init-dependencies.ts'

const checkout = { name: 'sluice', version: '0.1.0', folder: '/work/co/packages/sluice' }
const scoped = { name: '@acme/sluice', version: '1.2.0', folder: '/work/shop/node_modules/@acme/sluice' }

test.each([
  ['a checkout is depended on as a folder', checkout, undefined, 'file:../co/packages/sluice'],
  [
    'a name without a scope is never asked of the registry: whatever is there is somebody else’s',
    { ...checkout, folder: '/work/tool/node_modules/sluice' },
    undefined,
    'file:../tool/node_modules/sluice',
  ],
  [
    'published under a scope, it is that, under the name that definitions import',
    scoped,
    undefined,
    'npm:@acme/sluice@1.2.0',
  ],
  ['a checkout of that is a folder', { ...scoped, folder: '/work/co' }, undefined, 'file:../co'],
  ['a name may be given', checkout, '@acme/sluice', 'npm:@acme/sluice@0.1.0'],
  ['with a version', checkout, '@acme/sluice@^2', 'npm:@acme/sluice@^2'],
  ['or a tarball', checkout, 'sluice-0.1.0.tgz', 'file:../sluice-0.1.0.tgz'],
  ['or a folder', checkout, './co/packages/sluice', 'file:../co/packages/sluice'],
  ['as npm writes it', checkout, 'file:../elsewhere', 'file:../../elsewhere'],
])('%s', (_what, own, text, expected) => {
  const wanted = text === undefined ? undefined : { text, from: '/work' }
  expect(sluiceDependency('/work/new', own, wanted)).toBe(expected)
})

test('drivers that a checkout has are its own; others are left to npm', () => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-checkout-'))
  mkdirSync(join(root, 'node_modules/pg'), { recursive: true })
  writeFileSync(join(root, 'node_modules/pg/package.json'), '{}')
  const own = { ...checkout, folder: join(root, 'packages/sluice') }
  const manifest = '{ "name": "shop", "dependencies": { "pg": "8.23.1", "tedious": "19.2.2", "sluice": "0.1.0" } }'
  const made = (wanted?: string) =>
    JSON.parse(
      withDependencies(
        manifest,
        join(root, 'shop'),
        own,
        wanted === undefined ? undefined : { text: wanted, from: root },
      ),
    )
  expect(made()).toEqual({
    name: 'shop',
    dependencies: { pg: 'file:../node_modules/pg', tedious: '19.2.2', sluice: 'file:../packages/sluice' },
  })
  expect(made('@acme/sluice@1').dependencies).toEqual({ pg: '8.23.1', tedious: '19.2.2', sluice: 'npm:@acme/sluice@1' })
})

test('the package knows its own name', () => {
  expect(ownPackage()).toMatchObject({ name: 'sluice', folder: expect.stringMatching(/packages.sluice$/) })
})
