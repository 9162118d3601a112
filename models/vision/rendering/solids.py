"""Shapes as triangle meshes: turned on a lathe, folded, crumpled, dented and cut.

Metres. A thing that was turned lies with its axis along x, its base at x = 0.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Deform: TypeAlias = Callable[[Floats], Floats]

AROUND = 72
"""Facets of a full turn."""
_CUT = 1e-9


class Solid(NamedTuple):
    """A mesh.

    Attributes:
        vertices: float64 (n, 3), metres.
        faces: int (m, 3), anticlockwise seen from outside.
        normals: float64 (n, 3); where they are None every face is flat.
        uv: float64 (n, 2), 0 to 1 along and around.
    """

    vertices: Floats
    faces: NDArray[np.int64]
    normals: Floats | None = None
    uv: Floats | None = None


class Pose(NamedTuple):
    """How a thing lies: rolled about its own axis, turned about the vertical, moved.

    Attributes:
        turn: float64 (3, 3), rotation.
        move: float64 (3,), metres, after the turn.
    """

    turn: Floats
    move: Floats


def pose(roll: float, yaw: float, pitch: float = 0.0) -> Pose:
    """Make the pose of angles in radians; it stands where it is until it is moved."""
    (cr, sr), (cp, sp), (cy, sy) = ((np.cos(a), np.sin(a)) for a in (roll, pitch, yaw))
    rolled = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    pitched = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    yawed = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return Pose(yawed @ pitched @ rolled, np.zeros(3))


def placed(solid: Solid, where: Pose) -> Solid:
    """Move a solid into the chamber."""
    normals = None if solid.normals is None else solid.normals @ where.turn.T
    return solid._replace(vertices=solid.vertices @ where.turn.T + where.move, normals=normals)


def stretched(solid: Solid, by: Floats) -> Solid:
    """Scale a solid along its axes; what is smooth stays so."""
    normals = solid.normals
    if normals is not None:
        normals = normals / by
        normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return solid._replace(vertices=solid.vertices * by, normals=normals)


def lathe(
    along: Sequence[float] | Floats,
    radii: Sequence[float] | Floats,
    *,
    deform: Deform | None = None,
    around: int = AROUND,
) -> Solid:
    """Turn a profile about the x axis.

    Args:
        along: positions on the axis, growing.
        radii: of the body at each of them; 0 closes an end.
        deform: points (n, 3) to points (n, 3): dents, waists, square sections.
    """
    axis, radius = np.asarray(along, float), np.asarray(radii, float)
    angle = np.linspace(0.0, 2 * np.pi, around, endpoint=False)
    grid = np.empty((len(axis), around, 3))
    grid[..., 0] = axis[:, None]
    grid[..., 1] = radius[:, None] * np.cos(angle)
    grid[..., 2] = radius[:, None] * np.sin(angle)
    if deform is not None:
        grid = deform(grid.reshape(-1, 3)).reshape(len(axis), around, 3)
    normals = _grid_normals(grid)
    closed = np.concatenate([grid, grid[:, :1]], axis=1)
    normals = np.concatenate([normals, normals[:, :1]], axis=1)
    u = (axis - axis[0]) / max(axis[-1] - axis[0], 1e-9)
    v = np.linspace(0.0, 1.0, around + 1)
    uv = np.stack(np.meshgrid(u, v, indexing="ij"), axis=-1)
    return Solid(
        closed.reshape(-1, 3),
        _grid_faces(len(axis), around + 1),
        normals.reshape(-1, 3),
        uv.reshape(-1, 2),
    )


def _grid_faces(rows: int, columns: int) -> NDArray[np.int64]:
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    return np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)]
    )


def _grid_normals(grid: Floats) -> Floats:
    """Normals of a grid that closes around: outward, of length one."""
    along = np.gradient(grid, axis=0)
    round_ = np.roll(grid, -1, axis=1) - np.roll(grid, 1, axis=1)
    normal = np.cross(round_, along)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    # At a closed end all facets meet in a point: the axis is the normal there.
    ends = np.zeros_like(grid)
    ends[: len(grid) // 2, :, 0] = -1.0
    ends[len(grid) // 2 :, :, 0] = 1.0
    upright: Floats = np.where(length > 1e-12, normal / np.maximum(length, 1e-12), ends)
    return upright


def block(size: Sequence[float], *, gable: float = 0.0) -> Solid:
    """A box along x of a length, width and height, or a carton whose far end is a gable roof.

    Args:
        size: metres along x, y and z.
        gable: length of the roof, inside the length; 0 for a plain box.
    """
    length, width, height = size
    y, z = width / 2, height / 2
    body = length - gable
    corner = [[x, sy * y, sz * z] for x in (0.0, body) for sy, sz in _RING]
    ridge = [[length, -y, 0.0], [length, y, 0.0]] if gable else []
    inward = [(0, 1, 2, 3), *((i, i + 4, (i + 1) % 4 + 4, (i + 1) % 4) for i in range(4))]
    vertices: list[Floats] = []
    faces: list[tuple[int, int, int]] = []
    uv: list[tuple[int, int]] = []
    points = np.array(corner + ridge)

    def add(quad: tuple[int, ...]) -> None:
        start = len(vertices)
        vertices.extend(points[list(quad)])
        uv.extend([(0, 0), (1, 0), (1, 1), (0, 1)][: len(quad)])
        faces.extend((start, start + k, start + k + 1) for k in range(1, len(quad) - 1))

    for quad in inward:
        add(quad[::-1])
    if gable:
        for side in ((4, 5, 9, 8), (6, 7, 8, 9), (5, 6, 9), (7, 4, 8)):
            add(side)
    else:
        add((4, 5, 6, 7))
    return Solid(np.array(vertices), np.array(faces), None, np.array(uv, float))


_RING = ((-1, -1), (1, -1), (1, 1), (-1, 1))


def ball(radius: float, *, rough: float = 0.0, rng: np.random.Generator | None = None) -> Solid:
    """A ball; with `rough` a crumpled one, whose radius varies by that share."""
    rows = 40
    theta = np.linspace(0.0, np.pi, rows)
    along, radii = radius * (1 - np.cos(theta)), radius * np.sin(theta)
    if not rough or rng is None:
        return lathe(along, radii)
    # Folded waves have the sharp ridges of paper and foil; others are a bag, a rag, a sponge.
    is_folded = rng.random() < 0.5
    finest = rng.uniform(4.0, 9.0) if is_folded else rng.uniform(2.5, 5.0)
    waves = rng.normal(size=(24, 3)) * rng.uniform(1.5, finest, (24, 1)) / radius
    phase, weight = rng.uniform(0, 2 * np.pi, 24), rng.normal(size=24) / 4.0

    def crumple(points: Floats) -> Floats:
        centre = np.array([radius, 0.0, 0.0])
        arm = points - centre
        swung = np.sin(arm @ waves.T + phase)
        swing = (np.abs(swung) if is_folded else swung) @ weight
        crumpled: Floats = centre + arm * (1.0 + rough * swing)[:, None]
        return crumpled

    solid = lathe(along, radii, deform=crumple)
    return solid._replace(normals=None) if is_folded else solid


def below(solid: Solid, point: Floats, normal: Floats) -> Solid:
    """Keep what lies behind a plane, with a lid where it was cut: the liquid in a bottle.

    The section must be star-shaped about its centre, as that of any bottle is.

    Args:
        solid: closed.
        point: on the plane.
        normal: of the plane, away from what is kept.
    """
    distance = (solid.vertices - point) @ normal
    inside = (distance <= _CUT)[solid.faces]
    kept, lids, vertices = list(solid.faces[inside.all(1)]), [], list(solid.vertices)
    for face in solid.faces[inside.any(1) & ~inside.all(1)]:
        polygon, cut = _clipped(face, distance[face], vertices)
        kept.extend((polygon[0], polygon[k], polygon[k + 1]) for k in range(1, len(polygon) - 1))
        lids.append(cut)
    if not kept:
        return Solid(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    if lids:
        centre = len(vertices)
        vertices.append(np.mean([vertices[end] for lid in lids for end in lid], axis=0))
        kept.extend((centre, a, b) for a, b in lids)
    return _flat(np.array(vertices), np.array(kept), solid)


def _clipped(
    face: NDArray[np.int64], side: Floats, vertices: list[Floats]
) -> tuple[list[int], tuple[int, int]]:
    """Cut one triangle: the polygon that stays, and the edge of the cut in its direction."""
    polygon: list[int] = []
    cut: list[int] = []
    for k in range(3):
        a, b = int(face[k]), int(face[(k + 1) % 3])
        if side[k] <= _CUT:
            polygon.append(a)
        if (side[k] <= _CUT) != (side[(k + 1) % 3] <= _CUT):
            share = side[k] / (side[k] - side[(k + 1) % 3])
            vertices.append(vertices[a] + share * (vertices[b] - vertices[a]))
            polygon.append(len(vertices) - 1)
            cut.append(len(vertices) - 1)
            if side[k] > _CUT:
                cut.reverse()
    return polygon, (cut[0], cut[1])


def _flat(vertices: Floats, faces: NDArray[np.int64], origin: Solid) -> Solid:
    """Smooth where the original was, flat on the lid: vertices of the lid are its own."""
    if origin.normals is None:
        return Solid(vertices, faces)
    normals = np.zeros_like(vertices)
    normals[: len(origin.normals)] = origin.normals
    corners = vertices[faces]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-15)
    new = faces >= len(origin.normals)
    cut = new.any(axis=1)
    # Every corner of a face at the cut becomes a vertex with that face's normal.
    start = len(vertices)
    own = corners[cut].reshape(-1, 3)
    faces = faces.copy()
    faces[cut] = start + np.arange(len(own)).reshape(-1, 3)
    return Solid(
        np.concatenate([vertices, own]),
        faces,
        np.concatenate([normals, np.repeat(flat[cut], 3, axis=0)]),
    )
