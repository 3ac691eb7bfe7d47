"""Small files in the formats of other programs, with the faults that real ones have; places are public facts."""

from __future__ import annotations

# As the Topology Zoo writes it: drawing data of yEd beside the facts, a hyperedge without a place, a node of another
# network, a satellite, two nodes of one name, parallel links, a loop, and speeds in three spellings.
ZOO = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:y="http://www.yworks.com/xml/graphml">
  <key for="node" id="d50" yfiles.type="nodegraphics"/>
  <key for="edge" id="d51" yfiles.type="edgegraphics"/>"
  <key attr.name="GeoExtent" attr.type="string" for="graph" id="d2" />
  <key attr.name="GeoLocation" attr.type="string" for="graph" id="d1" />
  <key attr.name="Network" attr.type="string" for="graph" id="d3" />
  <key attr.name="Source" attr.type="string" for="graph" id="d6" />
  <key attr.name="Latitude" attr.type="double" for="node" id="d25" />
  <key attr.name="Longitude" attr.type="double" for="node" id="d27" />
  <key attr.name="Internal" attr.type="boolean" for="node" id="d26" />
  <key attr.name="hyperedge" attr.type="boolean" for="node" id="d29" />
  <key attr.name="label" attr.type="string" for="node" id="d28" />
  <key attr.name="LinkLabel" attr.type="string" for="edge" id="d30" />
  <key attr.name="LinkSpeedRaw" attr.type="double" for="edge" id="d31" />
  <graph edgedefault="undirected">
    <data key="d1">Czech Republic</data>
    <data key="d2">Country</data>
    <data key="d3">Toynet</data>
    <data key="d6">http://www.example.org/map.gif</data>
    <node id="0"><data key="d50"><y:ShapeNode><y:Geometry x="151.9" y="223.0"/></y:ShapeNode></data>
      <data key="d25">50.08804</data><data key="d27">14.42076</data>
      <data key="d26">True</data><data key="d28">Praha</data></node>
    <node id="1"><data key="d25">49.19522</data><data key="d27">16.60796</data>
      <data key="d26">True</data><data key="d28">Brno</data></node>
    <node id="2"><data key="d25">49.83465</data><data key="d27">18.28204</data>
      <data key="d26">True</data><data key="d28">Ostrava</data></node>
    <node id="3"><data key="d26">True</data><data key="d29">True</data></node>
    <node id="4"><data key="d26">False</data><data key="d28">TEN-34</data></node>
    <node id="5"><data key="d25">NaN</data><data key="d27">NaN</data>
      <data key="d26">True</data><data key="d28">Satellite</data></node>
    <node id="6"><data key="d25">49.59552</data><data key="d27">17.25175</data>
      <data key="d26">True</data><data key="d28">Brno</data></node>
    <node id="7"><data key="d26">True</data><data key="d28">Zl\u00edn</data></node>
    <edge source="0" target="1"><data key="d51"><y:PolyLineEdge/></data><data key="d30">34M</data></edge>
    <edge source="0" target="1"><data key="d30">2 x 10 Gbps</data></edge>
    <edge source="1" target="3"/>
    <edge source="2" target="3"><data key="d31">155000000.0</data></edge>
    <edge source="6" target="3"><data key="d30">some</data></edge>
    <edge source="0" target="4"/>
    <edge source="2" target="5"/>
    <edge source="2" target="2"/>
    <edge source="7" target="1"/>
  </graph>
</graphml>
"""

SNDLIB_NATIVE = """?SNDlib native format; type: network; version: 1.0
# network abilene, four of its nodes

META (
  granularity = 6month
  unit = MBITPERSEC
  origin = scaled (peak) matrix
)

# <node_id> [(<longitude>, <latitude>)]
NODES (
  ATLAng ( -85.50 34.50 )
  CHINng ( -87.62 41.83 )
  HSTNng ( -95.52 29.77 )
  IPLSng ( -86.16 39.78 )
)

LINKS (
  1 ( HSTNng ATLAng ) 9920.00 0.00 0.00 0.00 ( 40000.00 1081.00 )
  2 ( IPLSng ATLAng ) 2480.00 0.00 0.00 0.00 ( )
  L3 ( IPLSng CHINng ) 0.00 0.00 0.00 0.00 ( 155.00 260.00 622.00 300.00 )
)

DEMANDS (
  1 ( IPLSng HSTNng ) 1 30.00 UNLIMITED
  2 ( CHINng ATLAng ) 1 10.00 UNLIMITED
)

ADMISSIBLE_PATHS (
  1 ( P1 ( 1 2 ) P2 ( L3 ) )
)
"""

SNDLIB_XML = """<?xml version="1.0" encoding="ISO-8859-1"?>
<network xmlns="http://sndlib.zib.de/network" version="1.0">
 <meta><unit>MBITPERSEC</unit><origin>scaled (peak) matrix</origin></meta>
 <networkStructure>
  <nodes coordinatesType="geographical">
   <node id="ATLAng"><coordinates><x>-85.50</x><y>34.50</y></coordinates></node>
   <node id="CHINng"><coordinates><x>-87.62</x><y>41.83</y></coordinates></node>
   <node id="HSTNng"><coordinates><x>-95.52</x><y>29.77</y></coordinates></node>
   <node id="IPLSng"><coordinates><x>-86.16</x><y>39.78</y></coordinates></node>
  </nodes>
  <links>
   <link id="1"><source>HSTNng</source><target>ATLAng</target>
    <preInstalledModule><capacity>9920.0</capacity><cost>0.0</cost></preInstalledModule>
    <additionalModules><addModule><capacity>40000.0</capacity><cost>1081.0</cost></addModule></additionalModules></link>
   <link id="2"><source>IPLSng</source><target>ATLAng</target>
    <preInstalledModule><capacity>2480.0</capacity><cost>0.0</cost></preInstalledModule></link>
   <link id="L3"><source>IPLSng</source><target>CHINng</target>
    <additionalModules><addModule><capacity>155.0</capacity><cost>260.0</cost></addModule>
     <addModule><capacity>622.0</capacity><cost>300.0</cost></addModule></additionalModules></link>
  </links>
 </networkStructure>
 <demands>
  <demand id="1"><source>IPLSng</source><target>HSTNng</target><demandValue>30.0</demandValue></demand>
  <demand id="2"><source>CHINng</source><target>ATLAng</target><demandValue>10.0</demandValue></demand>
 </demands>
</network>
"""

EDGES = "from,to,length_km,capacity\na,b,700,100\nb,c,10,400\nc,a,,\n"
PLACES = (
    "id,name,lat,lon,population,country\na,Alfa,50,10,3000000,Here\nb,Bravo,52,14,1000000,Here\nc,Carol,48,14,0,There\n"
)

# Each entity is ten of the one before: a gigabyte when all are expanded.
_TENS = "".join(f'<!ENTITY {chr(98 + at)} "{10 * ("&" + chr(97 + at) + ";")}">' for at in range(9))
ENTITIES = f'<!DOCTYPE graphml [<!ENTITY a "ha">{_TENS}]>'
